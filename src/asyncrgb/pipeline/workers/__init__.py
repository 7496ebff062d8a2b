"""Who renders: processes of our own, or an executor that was given."""
