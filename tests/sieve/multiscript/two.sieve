require "fileinto";
fileinto "Two";
