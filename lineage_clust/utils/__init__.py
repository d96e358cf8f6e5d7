"""What every part uses: checks of arguments, progress bars, threads, whole files, types."""
