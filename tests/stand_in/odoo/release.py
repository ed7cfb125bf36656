version_info = (18, 0, 0, "final", 0, "")
