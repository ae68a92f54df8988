"""Break the program in every way that we know, and look with other eyes whether something was lost."""
