require "fileinto";
fileino "x";
