"""Rendering: `render.join` puts parts and constants into the template; `targets` writes files."""
