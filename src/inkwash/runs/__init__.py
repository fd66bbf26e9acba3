"""The jobs behind the commands: settings become objects, objects do the work."""
