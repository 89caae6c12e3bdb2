"""Import people and other systems' suppression lists. An import can only weaken what was agreed to."""
