require "fileinto";
fileinto true "a";
