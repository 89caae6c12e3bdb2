"""What other systems export about addresses that must not get email, one module for each system."""
