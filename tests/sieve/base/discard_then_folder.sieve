require "fileinto";
discard;
fileinto "a";
