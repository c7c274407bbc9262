require "fileinto";
fileinto 1;
