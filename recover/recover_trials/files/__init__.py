"""What a file may be: text, compressed text, notebook, journal, SQLite, CSV or JSON."""
