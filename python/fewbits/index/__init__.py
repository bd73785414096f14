"""fb.Index: training, adding, searching, changing and saving vectors of one embedding."""
