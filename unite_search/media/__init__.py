"""Read media: scan folders for files and decode files to content, with limits and in processes that can be killed."""
