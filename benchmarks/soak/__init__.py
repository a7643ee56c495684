"""Long runs that prove the service reliable: restarts, killed workers, slow callers, overload, endurance."""
