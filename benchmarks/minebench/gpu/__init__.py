"""What `make gpu-check` tries on a machine with a GPU: every path that its libraries allow, each in its own process."""
