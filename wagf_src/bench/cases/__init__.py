"""What is timed: each function builds a case in its own process and returns what measures it on request."""
