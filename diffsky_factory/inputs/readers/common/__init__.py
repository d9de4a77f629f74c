"""What readers share: datasets and words of files, what an entry states, checks of frames and units."""
