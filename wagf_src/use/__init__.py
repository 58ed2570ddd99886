"""What was trained, used: photographs in, probabilities out; other test sets; one model shipped."""
