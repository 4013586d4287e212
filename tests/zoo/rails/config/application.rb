# A Rails application without a database: pages, and a count of visits in its session cookie.
require 'rails'
require 'action_controller/railtie'

module Zoo
  class Application < Rails::Application
    config.load_defaults 7.2
    config.eager_load = true
    config.consider_all_requests_local = false
    config.logger = ActiveSupport::Logger.new($stdout)
    config.log_level = :warn
    # The clients of the tests send forms that no page of it has made.
    config.action_controller.allow_forgery_protection = false
    config.session_store :cookie_store, key: 'zoo_session'
    # The paths of all requests but /slow and /visits lead to the first page.
    routes.append do
      get '/slow' => 'zoo/pages#slow'
      post '/slow' => 'zoo/pages#slow'
      get '/visits' => 'zoo/pages#visits'
      match '(*path)' => 'zoo/pages#index', via: :all
    end
  end

  class PagesController < ActionController::Base
    def index
      render plain: 'ok'
    end

    def slow
      sleep 1
      render plain: 'ok'
    end

    def visits
      session[:visits] = session.fetch(:visits, 0) + 1
      render plain: session[:visits].to_s
    end
  end
end
