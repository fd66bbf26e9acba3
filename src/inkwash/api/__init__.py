"""The public Python API: what `import inkwash` exports. Other packages implement it."""
