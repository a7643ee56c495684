"""Images altered or drawn by program: augmentation, corruptions, outliers."""
