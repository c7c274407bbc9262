require "fileinto";
fileinto "${name.space} ${1}";
