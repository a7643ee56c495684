"""From the data set to a model and its manifest; serving never imports this package."""
