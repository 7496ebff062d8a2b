"""Object stores, through obstore: imported only where a URL is given."""
