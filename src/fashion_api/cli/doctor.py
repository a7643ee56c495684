def doctor(): 
    """x"""
