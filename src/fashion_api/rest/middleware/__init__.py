"""What every HTTP request passes on its way to a route."""
