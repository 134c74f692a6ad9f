// A target needs a source file: this one has only precompiled headers to offer.
