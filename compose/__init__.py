"""How the parts run together: the `bragglive` command, local processes, the demo. Imports no service."""
