replace "x";
