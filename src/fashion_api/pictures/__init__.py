"""Picture files to pixels and back, and pixels to text."""
