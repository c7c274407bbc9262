require "fileinto";
fileinto "x;
