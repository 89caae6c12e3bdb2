"""The measured programs: one sending program for each contender, and its workers."""
