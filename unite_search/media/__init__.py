"""Reading media: folders to files, files to decoded content, with limits and in killable workers."""
