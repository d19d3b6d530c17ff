"""The systems whose solution operators are learned: one file each, its constant is SYSTEM."""
