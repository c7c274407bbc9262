require "fileinto";
require ["fileinto", "envelope"];
require "comparator-i;octet";
require "comparator-i;ascii-casemap";
keep;
