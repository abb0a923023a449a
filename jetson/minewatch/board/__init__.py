"""Heat and power of the machine: read, kept to, changed where somebody asks for it."""
