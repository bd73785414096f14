"""What chooses for the user: fb.build, fb.build_multivector and fb.tune."""
