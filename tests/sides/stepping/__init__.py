"""The backend of the copy, for a process that is stopped between its steps."""
