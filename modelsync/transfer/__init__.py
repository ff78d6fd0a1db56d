"""Downloads URLs and local files into partial files that survive a kill or a power cut."""
