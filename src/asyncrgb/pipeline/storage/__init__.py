"""Where sources come from and results go to: files, and objects in stores."""
