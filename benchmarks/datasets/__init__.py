"""Public sets in their published layouts, read into one form: queries, gallery, what is right."""
