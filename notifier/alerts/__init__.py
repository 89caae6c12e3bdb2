"""Tell operators when something is wrong, once, and once more when it is well again."""
