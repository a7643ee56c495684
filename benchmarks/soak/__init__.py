"""Long runs that prove the service reliable: restarts, kills, slow callers, overload, endurance, changed models."""
