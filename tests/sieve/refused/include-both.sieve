require "include";
include :personal :global "sends";
