"""The Python front door: what `import inkwash` exports. The rooms below do the work."""
