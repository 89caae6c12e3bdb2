"""What runs in the measured processes: one sending program for each contender, and its workers."""
