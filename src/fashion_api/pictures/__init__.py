"""Picture files to pixels and back."""
