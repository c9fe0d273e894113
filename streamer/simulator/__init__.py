"""A beamline to practise on: crystals, diffraction, a detector, and a sender that speaks the real dialect."""
