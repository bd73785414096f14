"""What users pass, checked and turned into what the core takes: arrays, ids, sets, filters, progress."""
