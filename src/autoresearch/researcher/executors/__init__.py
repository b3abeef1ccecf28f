"""Where runs take place: in slots of this machine (local), or on a Ray cluster (ray). The loop
submits requests and takes measurements."""
