keep;
# no line end behind this